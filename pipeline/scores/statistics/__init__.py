"""What every score rests on: originals, intervals, concepts, targets and folds."""
