"""Where the files of a run are kept: a folder that all workers see, or a store such as S3 that all of them reach."""
