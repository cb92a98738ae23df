"""The keyword classes, one for each subject; `library.py` joins them into what suites import."""
