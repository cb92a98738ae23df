"""Shows that every criterion can fail: each is run on a system with a defect it must catch."""
