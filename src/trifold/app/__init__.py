"""The whole work in a browser: files, jobs that are commands in processes of their own, and what came of them."""
