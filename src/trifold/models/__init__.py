"""Pretrained models of any architecture: find, tokenise, batch, add heads and adapters. Nothing here is about speed."""
