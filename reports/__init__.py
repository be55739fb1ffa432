"""Reports: run folders → tables and pictures. Reads files only."""
