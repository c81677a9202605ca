"""The board as a web site of plain files: it works from a disk and from any static host, and asks nobody."""
