"""What every output rests on: draws, the layout of a code, a trained network on disk."""
