"""The linear base: least squares where there is no noise, the best penalty where there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from ml_assets.core.training.ridge import PENALTIES, Moments, fit_ridge
from ml_assets.core.training.samples import Sample
from serving.runtime.linear import BaseMatrix, LinearBase, TargetLevel

NAMES = ("a", "b", "c")


def sample(seed: int, *, rows: int = 200, noise: float = 0, shift: float = 0) -> Sample:
    random = np.random.default_rng(seed)
    features = random.normal(loc=shift, size=(rows, 3)).astype(np.float32)
    labels = features @ np.array([[1, 2], [0, -1], [3, 0]]) + [5, 7]
    return Sample(features, labels + random.normal(scale=noise or 1e-9, size=labels.shape))


def predict(base: LinearBase, features: NDArray[np.float32]) -> NDArray[np.float64]:
    return BaseMatrix.of(base, names=NAMES).predict(features)


@given(st.integers(0, 1000), st.sampled_from([0, 3, 100]))
def test_a_linear_relation_is_recovered(seed: int, shift: float) -> None:
    base = fit_ridge(
        sample(seed, shift=shift), sample(seed + 1, shift=shift), names=NAMES, of=NAMES
    )
    unseen = sample(seed + 2, shift=shift)
    np.testing.assert_allclose(predict(base, unseen.features), unseen.labels, atol=1e-2)


def test_the_penalty_is_the_best_on_the_validation_rows() -> None:
    train, validation = sample(1, rows=12, noise=8), sample(2, noise=8)
    base = fit_ridge(train, validation, names=NAMES, of=NAMES)
    scaler = StandardScaler().fit(train.features.astype(np.float64))
    errors = [
        np.mean((_sklearn(train, scaler, penalty, validation) - validation.labels) ** 2)
        for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] < best < PENALTIES[-1]
    expected = _sklearn(train, scaler, best, validation)
    np.testing.assert_allclose(predict(base, validation.features), expected, atol=1e-4)


def _sklearn(
    train: Sample, scaler: StandardScaler, penalty: float, unseen: Sample
) -> NDArray[np.float64]:
    ridge = Ridge(alpha=penalty * len(train))
    ridge.fit(scaler.transform(train.features), train.labels)
    return np.asarray(ridge.predict(scaler.transform(unseen.features)))


def test_the_base_is_fitted_on_the_training_rows_alone() -> None:
    odd = sample(2)
    odd.labels[:] += 1000
    base = fit_ridge(sample(1), odd, names=NAMES, of=NAMES)
    assert base.intercept == pytest.approx([5, 7], abs=1)


def test_only_the_named_features_are_used() -> None:
    base = fit_ridge(sample(1), sample(2), names=NAMES, of=("c", "a"))
    assert list(base.coefficients) == ["c", "a"]
    assert base.coefficients["a"][1] == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("constant", [0, 0.1, 12_345.678])
def test_a_feature_that_is_constant_but_for_rounding_gets_no_weight(constant: float) -> None:
    train, validation = sample(1), sample(2)
    for each in (train, validation):
        each.features[:, 1] = constant
        each.features[7, 1] *= 1 + 1e-6
    assert fit_ridge(train, validation, names=NAMES, of=NAMES).coefficients["b"] == [0, 0]


def test_the_last_bits_in_which_processors_differ_are_rounded_off() -> None:
    base = fit_ridge(sample(1, noise=1), sample(2, noise=1), names=NAMES, of=NAMES)
    for values in (base.intercept, *base.coefficients.values()):
        np.testing.assert_array_equal(values, np.array(values, dtype=np.float32))


def test_equal_features_share_the_weight() -> None:
    train, validation = sample(1), sample(2)
    for each in (train, validation):
        each.features[:, 1] = each.features[:, 0]
    base = fit_ridge(train, validation, names=NAMES, of=NAMES)
    assert base.coefficients["a"] == pytest.approx(base.coefficients["b"])


def test_moments_measure_the_error_of_a_regression() -> None:
    rows, weights, intercept = sample(3, noise=1), np.full((3, 2), 0.5), np.array([1.0, 2.0])
    moments = Moments.of(rows, np.arange(3))
    expected = np.mean((rows.features @ weights + intercept - rows.labels) ** 2)
    assert moments.error(weights, intercept) == pytest.approx(expected)


def test_a_sample_is_the_same_in_chunks_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sample(4, noise=1)
    level = Sample(rows.features, rows.labels, TargetLevel(latest=0, columns=np.array([0, 2])))
    base = BaseMatrix(np.array([1]), np.array([[1.0, 2.0]]), np.array([0.0, 1.0]))
    at_once = Moments.of(level, np.arange(3)), level.seen(), level.minus(base).labels
    monkeypatch.setattr("ml_assets.core.training.samples.CHUNK", 7)
    np.testing.assert_allclose(Moments.of(level, np.arange(3)).xx, at_once[0].xx)
    chunks = [features for features, _ in level.chunks()]
    assert max(map(len, chunks)) == 7
    np.testing.assert_array_equal(np.concatenate(chunks), at_once[1])
    np.testing.assert_array_equal(level.minus(base).labels, at_once[2])
