"""Where functions run that take long: a process beside this one, or workers that Ray has."""
