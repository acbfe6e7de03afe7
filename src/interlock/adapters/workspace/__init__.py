"""What people declared, read from the YAML files of a directory."""
