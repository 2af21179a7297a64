"""Are the images here, and of the version that they should be?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from operations.compose_model import ComposeModel, start_of
from operations.containers import Container
from operations.doctor.findings import Finding, in_env, ok, warning
from operations.images import missing_images
from operations.project import Project


@dataclass(frozen=True)
class Versions:
    """Versions, and the images of them.

    Attributes:
        project: The project's version.
        chosen: ML_ASSETS_VERSION; empty if it is not set.
        missing: Images of the chosen profiles that are not here.
        outdated: Services that run another image than they would be started with.
        is_built: Whether images are built here, and not pulled.
        starts: The command that starts each service which `make up` leaves out.
    """

    project: str
    chosen: str
    missing: Sequence[str]
    outdated: Sequence[str]
    is_built: bool
    starts: Mapping[str, str] = field(default_factory=dict)


def gather(
    project: Project,
    model: ComposeModel,
    containers: Sequence[Container],
    present: Collection[str],
) -> Versions:
    """Compares settings, images and containers."""
    wanted = {one.name: one.image for one in model.services}
    ours = [one for one in containers if one.project == model.name and one.service in wanted]
    return Versions(
        project=project.version,
        chosen=project.setting("ML_ASSETS_VERSION"),
        missing=missing_images(model, present),
        outdated=sorted({one.service for one in ours if one.image != wanted[one.service]}),
        is_built=any(one.is_built for one in model.services),
        starts=model.starts,
    )


def judge(versions: Versions) -> list[Finding]:
    """Tells what is not here, or older than it should be."""
    found = []
    if versions.chosen and versions.project and versions.chosen != versions.project:
        found.append(
            warning(
                f"ML_ASSETS_VERSION is {versions.chosen}; these files are of {versions.project}",
                in_env("ML_ASSETS_VERSION", versions.project),
            )
        )
    if versions.missing:
        mend = "make up builds or pulls them" if versions.is_built else "docker compose pull"
        found.append(warning(f"not here yet: {', '.join(versions.missing)}", mend))
    if versions.outdated:
        names = ", ".join(versions.outdated)
        mend = start_of(versions.starts, versions.outdated)
        found.append(warning(f"running with another image than .env says: {names}", mend))
    return found or [ok(f"the images of version {versions.chosen or versions.project} are here")]
