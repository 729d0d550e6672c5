"""Back ends: where the shards of a build are made, and the check that what came back is what was planned."""
