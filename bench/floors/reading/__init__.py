"""Reading what is stored: over the wire, on the server's own machine, and for training."""
