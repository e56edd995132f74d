"""From the messages of a recording to frames: which topics, paired, registered, with a pose."""
