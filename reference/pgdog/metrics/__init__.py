"""The page of metrics, in two dialects."""
