"""Side by side with what users would pick instead: the same data, the same question, in turn."""
