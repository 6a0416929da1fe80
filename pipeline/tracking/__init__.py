"""MLflow: where runs are kept, and how everything that a stage writes gets there without ever making it wait.

All that MLflow shows lies on disk first. `store.check_server` finds the store at the start of a stage,
`tracker.RunTracker` follows a training, and `publish.publish` brings a run level with the files of its layer: it looks
what the run lacks and adds that, so that it can be called at any time, any number of times, by any stage or by
`python -m pipeline.tracking upload`. Besides `pipeline.serve`, no other part of the project imports MLflow.
"""
