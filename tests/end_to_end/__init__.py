"""The whole pipeline through its real engines: dvc, Ray and MLflow, in clones of this working tree."""
