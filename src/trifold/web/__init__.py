"""What every server of ours stands on: who may ask and how much, refusals, pages, listening."""
