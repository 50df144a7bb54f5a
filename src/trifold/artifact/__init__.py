"""What is written to disk and read back: run folders, arrays, manifests. No pickle anywhere."""
