"""Flight SQL: the protocol that ADBC, JDBC and Grafana speak, on the port of everything else.

A thin edge. Its commands are read here, SQL goes to the engine as it stands, and nothing is kept
between two calls. Field numbers, schemas and codes are those of Arrow's format/FlightSql.proto.
"""
