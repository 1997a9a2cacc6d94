"""A ScanReport as text for people, machines."""
