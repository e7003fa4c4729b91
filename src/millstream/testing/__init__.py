"""What users test with as we do: SQL cases, the connector contract, crash points."""
