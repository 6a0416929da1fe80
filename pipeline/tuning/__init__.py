"""The shape of the flow by Ray Tune: number of blocks and factor sizes around the estimate."""

from pipeline.tuning.choice import Trial, choose
from pipeline.tuning.flow_file import FlowChoice, read_flow_file, write_flow_file
from pipeline.tuning.search import SweepConfig, sweep

__all__ = ["FlowChoice", "SweepConfig", "Trial", "choose", "read_flow_file", "sweep", "write_flow_file"]
