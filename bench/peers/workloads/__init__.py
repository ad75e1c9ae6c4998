"""The questions that everyone is asked, one module each: what users do all day, W1 to W10."""
