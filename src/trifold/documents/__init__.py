"""Documents as vectors, and what follows from that."""
