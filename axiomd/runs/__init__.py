"""What a run leaves behind: record, files, plots, report."""
