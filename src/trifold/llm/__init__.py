"""Language models that are told what to do: prompt files, models behind one contract, the log of what they said."""
