"""The literature's scores of single dimensions; nothing is ranked by them."""

from pipeline.scores.literature.dci import dci
from pipeline.scores.literature.explicitness import explicitness
from pipeline.scores.literature.irs import irs
from pipeline.scores.literature.mutual_information import mig, modularity
from pipeline.scores.literature.per_dimension import per_dimension_scores
from pipeline.scores.literature.sap import sap

__all__ = ["dci", "explicitness", "irs", "mig", "modularity", "per_dimension_scores", "sap"]
