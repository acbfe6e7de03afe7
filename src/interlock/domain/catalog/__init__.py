"""The dependency map: assets, links, and what a change reaches."""
