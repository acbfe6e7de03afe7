"""What is measured, as statistics that add up."""
