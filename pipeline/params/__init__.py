"""params.yaml as pydantic models; unknown keys and impossible values are refused by name."""

from pipeline.params.data import DataParams, StyleParams, WarpParams
from pipeline.params.flow import FlowParams, Precision, TrainParams, TuneParams, require_mixing
from pipeline.params.messages import load_params
from pipeline.params.networks import BackboneParams, JudgeParams, LatentsParams
from pipeline.params.section import Optimisation
from pipeline.params.study import DATA_ROOT, EvaluateParams, InterpretParams, MachineParams, Params

__all__ = [
    "DATA_ROOT",
    "BackboneParams",
    "DataParams",
    "EvaluateParams",
    "FlowParams",
    "InterpretParams",
    "JudgeParams",
    "LatentsParams",
    "MachineParams",
    "Optimisation",
    "Params",
    "Precision",
    "StyleParams",
    "TrainParams",
    "TuneParams",
    "WarpParams",
    "load_params",
    "require_mixing",
]
