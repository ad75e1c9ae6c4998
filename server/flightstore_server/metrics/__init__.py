"""What a server says of itself to Prometheus and to whoever asks whether it is well.

observed   where the numbers come from
table      every metric: its name, its meaning, its value
collector  the table in Prometheus' own terms
http       /metrics, /health and /ready

Everything is looked up when somebody asks. The only package that imports prometheus_client.
"""
