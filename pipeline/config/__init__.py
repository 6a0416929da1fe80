"""params.yaml as pydantic models; unknown keys and impossible values are refused by name."""

from pipeline.config.data import DataParams, WarpParams
from pipeline.config.flow import FlowParams, TrainParams, TuneParams
from pipeline.config.machine import DATA_ROOT, MachineParams
from pipeline.config.networks import BackboneParams, JudgeParams, LatentsParams
from pipeline.config.params import Params, load_params
from pipeline.config.results import EvaluateParams, InterpretParams

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
    "Params",
    "TrainParams",
    "TuneParams",
    "WarpParams",
    "load_params",
]
