"""How alike texts are, and which rows are nearest to which."""
