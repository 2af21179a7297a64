"""The platform in containers beside targets and peers: training, release, hand-over, images.

Run it with ``python -m benchmarks.release [--model iris] [--repeats 3]`` on a host with a Docker
Engine and the images of ``make images``. It starts a platform of its own and removes it at the end.
``make train`` and the job of ``make run`` take turns; the platform stays up during both.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.image_sizes import platform_images, released_image, runtime_image
from benchmarks.own_platform import ROOT, OwnPlatform, own_platform
from benchmarks.peer_images import PeerBuild, build_docker, containerize
from benchmarks.phases import MODEL
from benchmarks.release_tables import (
    handover_table,
    peer_table,
    release_table,
    size_table,
    training_table,
)
from benchmarks.rounds import Round, measure
from ml_assets.resources.version_files import RegisteredVersion
from serving.release.engine import docker, image_size
from serving.release.packaging import BuiltBento, build_bento
from serving.release.partitions import partition_key

PREFIX = "ml-assets-benchmark"
LAYER, RUNTIME = "our layer on the runtime base", "our runtime base, no cache"
BENTOML, MLFLOW = "bentoml containerize", "mlflow models build-docker"
LOCAL = ("--env-manager", "local")
"""What lets MLflow install packages with pip alone, in the place of a Python of its own."""


@dataclass(frozen=True)
class Peers:
    """Builders of service images that are not ours.

    Attributes:
        platform: Where the versions are registered.
        home: The store of the Bentos.
    """

    platform: OwnPlatform
    home: Path

    def build(self, version: RegisteredVersion) -> dict[str, PeerBuild]:
        """Builds a version with each of them, and removes the images."""
        image = f"{self.platform.name}/peer:v{version.version}"
        with _removed(image):
            bentoml = containerize(self._bento(version), home=self.home, image=image)
        return {
            BENTOML: bentoml,
            MLFLOW: self._mlflow(version, image),
            f"{MLFLOW} {' '.join(LOCAL)}": self._mlflow(version, image, *LOCAL),
        }

    def _bento(self, version: RegisteredVersion) -> BuiltBento:
        with TemporaryDirectory() as scratch:
            bundle = self.platform.registry.bundle(version, Path(scratch))
            return build_bento(
                bundle,
                version=str(version.version),
                created=version.created,
                bento_home=self.home,
            )

    def _mlflow(self, version: RegisteredVersion, image: str, *options: str) -> PeerBuild:
        uri = self.platform.tracking_uri
        with _removed(image):
            return build_docker(version, tracking_uri=uri, image=image, options=options)


def our_layer(one: Round) -> PeerBuild:
    """What the platform's own image of a version cost, on top of the runtime base."""
    on_top = one.release.figures["service_image"]["bytes on top of the base"]
    seconds = one.release.steps["service_image"].seconds
    return PeerBuild(seconds, runtime_image(), int(on_top))


def our_runtime(tag: str) -> PeerBuild:
    """The runtime base, built under another tag without the layers that the engine has cached."""
    image, base = f"ml-assets-serve:{tag}", f"ml-assets-base:{tag}"
    build = ["docker/build", "-i", "serve", "-t", tag, "--", "--no-cache"]
    with _removed(image, base):
        started = time.monotonic()
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        return PeerBuild(seconds, "ml-assets-base", image_size(image) - image_size(base))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints, each table as soon as it is there."""
    options = _parser().parse_args(arguments)
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"{options.repeats} rounds on {cores} cores, load average {load:.1f}", flush=True)
    with own_platform(PREFIX) as platform, TemporaryDirectory() as home:
        rounds: list[Round] = []
        for one in measure(platform, options.model, repeats=options.repeats):
            rounds.append(one)
            print(f"  {one.version.label}: {one.summary}", flush=True)
        _print(training_table(rounds))
        _print(release_table(rounds))
        _print(handover_table(rounds))
        _print(size_table([*platform_images(), released_image(_name(platform, rounds[-1]))]))
        _print(peer_table(_builds(Peers(platform, Path(home)), rounds)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL, help=f"such as iris; default is {MODEL}")
    parser.add_argument("--repeats", type=int, default=3, help="rounds whose median is shown")
    return parser


def _builds(peers: Peers, rounds: Sequence[Round]) -> dict[str, list[PeerBuild]]:
    """Builds of the first version and, if there is another one, of the last."""
    chosen = [*rounds[:1], *rounds[1:][-1:]]
    builds = [peers.build(one.version) for one in chosen]
    ours = {RUNTIME: [our_runtime(peers.platform.name)], LAYER: [*map(our_layer, chosen)]}
    return ours | {name: [one[name] for one in builds] for name in builds[0]}


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _name(platform: OwnPlatform, one: Round) -> str:
    """The name that the engine has for the image of a release."""
    return f"{platform.name}/{partition_key(one.version.name, one.version.version)}"


@contextmanager
def _removed(*images: str) -> Iterator[None]:
    """Removes images at the end of a block, those that came to be."""
    try:
        yield
    finally:
        for image in images:
            if docker("image", "ls", "--quiet", image):
                docker("image", "rm", image)


if __name__ == "__main__":
    main()
