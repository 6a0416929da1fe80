"""What params.yaml names outside of it: files, folders, addresses and modules, and what they hold."""
