"""The server: trained runs put to work, asked by many clients at the same time."""
