"""The words the stories use: origin, client, hop, chain. Python's standard library only."""
