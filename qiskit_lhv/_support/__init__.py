"""What every room stands on: records, validation, files, deadlines, types."""
