"""Copies the ranges of requirements.txt into the package's metadata."""

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RequirementsHook(MetadataHookInterface):
    """The first list becomes the dependencies, the others the two extras."""

    def update(self, metadata: dict) -> None:
        """Fill the two fields that pyproject.toml declares as dynamic."""
        text = Path(self.root, "requirements.txt").read_text(encoding="utf-8")
        package, notebooks, vectors = (
            [line for line in block.splitlines() if not line.startswith("#")]
            for block in text.strip().split("\n\n")
        )
        metadata["dependencies"] = package
        metadata["optional-dependencies"] = {
            "notebooks": notebooks,
            # The builder puts this condition in front of every line itself.
            "vectors": [
                line.replace(' and extra == "vectors"', "") for line in vectors
            ],
        }
