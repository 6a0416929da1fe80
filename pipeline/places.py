"""The one map of the project's folders: where each stage reads and writes, as dvc.yaml has it.

What lies inside a folder is its writer's: `basis.weights` knows the files of a trained network, `tables` those of a
table.
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Models", "Places"]


@dataclass(frozen=True)
class Models:
    """The trained networks of a study.

    Attributes:
        folder: that holds them all.
    """

    folder: Path = Path("models")

    @property
    def backbone(self) -> Path:
        """Folder of the frozen network."""
        return self.folder / "backbone"

    @property
    def judge(self) -> Path:
        """Folder of the network that names what an image shows."""
        return self.folder / "judge"

    @property
    def layers(self) -> Path:
        """Folder of the layers, one folder each."""
        return self.folder / "layers"

    def layer(self, layer: str) -> Path:
        """Folder of a layer's flow file and map."""
        return self.layers / layer

    def flow_file(self, layer: str) -> Path:
        """The chosen shape of a layer's flow, and the trials that it was chosen from."""
        return self.layer(layer) / "flow.yaml"

    def iin(self, layer: str) -> Path:
        """Folder of a layer's trained map."""
        return self.layer(layer) / "iin"


@dataclass(frozen=True)
class Places:
    """Files and folders of a project.

    Attributes:
        root: the project's folder; stages run in it.

    Example:
        >>> Places().iin("latent").as_posix(), Places(Path("/study")).images.as_posix()
        ('models/layers/latent/iin', '/study/data/images')
    """

    root: Path = Path()

    @property
    def params(self) -> Path:
        """The study."""
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        """The stages, as DVC reads them."""
        return self.root / "dvc.yaml"

    @property
    def lock(self) -> Path:
        """Checksums of what each stage read and wrote."""
        return self.root / "dvc.lock"

    @property
    def store(self) -> Path:
        """MLflow's SQLite file, where no other store is named."""
        return self.root / "mlflow.db"

    @property
    def studies(self) -> Path:
        """Folder of the studies: the params that differ, a file each."""
        return self.root / "studies"

    @property
    def checked_images(self) -> Path:
        """Says what the source of the images holds; stage prepare depends on it."""
        return self.root / ".checks" / "images.json"

    @property
    def checked_network(self) -> Path:
        """The same of a network that was brought along, for the stages that open it."""
        return self.root / ".checks" / "network.json"

    @property
    def checked_features(self) -> Path:
        """The same of a network by whose features images are compared; stage evaluate depends on it."""
        return self.root / ".checks" / "features.json"

    @property
    def checked_sketches(self) -> Path:
        """The same of sketches and the style model, for stage stylise."""
        return self.root / ".checks" / "sketches.json"

    @property
    def prepared(self) -> Path:
        """Folder of the images of the source, as a table."""
        return self.root / "data" / "prepared"

    @property
    def images(self) -> Path:
        """Folder of the images table: what was prepared and, of a study with sketches, each image in their styles."""
        return self.root / "data" / "images"

    def latents(self, layer: str) -> Path:
        """Folder of a layer's latents table."""
        return self.root / "data" / "latents" / layer

    @property
    def models(self) -> Models:
        """The trained networks."""
        return Models(self.root / "models")

    @property
    def backbone(self) -> Path:
        """Folder of the frozen network."""
        return self.models.backbone

    @property
    def judge(self) -> Path:
        """Folder of the network that names what an image shows."""
        return self.models.judge

    def flow_file(self, layer: str) -> Path:
        """The chosen shape of a layer's flow, and the trials that it was chosen from."""
        return self.models.flow_file(layer)

    def iin(self, layer: str) -> Path:
        """Folder of a layer's trained map."""
        return self.models.iin(layer)

    def results(self, layer: str) -> Path:
        """Folder of what was measured and drawn of a layer."""
        return self.root / "results" / layer

    def scores(self, layer: str) -> Path:
        """Scores of a layer, with intervals."""
        return self.results(layer) / "scores.json"

    def metrics(self, layer: str) -> Path:
        """Values of the scores alone, for `dvc metrics`."""
        return self.results(layer) / "metrics.json"

    def transitions(self, layer: str) -> Path:
        """How edits move a classifier's decisions."""
        return self.results(layer) / "transitions.json"

    def figures(self, layer: str) -> Path:
        """Folder of a layer's pictures."""
        return self.results(layer) / "figures"

    def turns(self, layer: str) -> Path:
        """The smallest moves that turn a classifier's decisions."""
        return self.results(layer) / "counterfactuals.parquet"

    def curves_table(self, layer: str) -> Path:
        """Curves of a layer's training, for `dvc plots`."""
        return self.results(layer) / "curves.csv"

    @property
    def comparison(self) -> Path:
        """Folder of the layers side by side."""
        return self.root / "comparison"

    def report(self, layer: str) -> Path:
        """The page that says all of a layer; outside of `results`, of which the comparison is made that it shows."""
        return self.root / "reports" / f"{layer}.html"
