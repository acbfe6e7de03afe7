"""The structural part of a contract version in one representation, its differences and compatibility."""
