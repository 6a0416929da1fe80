"""The stages of dvc.yaml, one file each: read params, call the pipeline, write outputs."""
