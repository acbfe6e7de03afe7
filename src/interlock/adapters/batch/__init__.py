"""Lenses over whole tables, run by the engines that Ibis speaks to."""
