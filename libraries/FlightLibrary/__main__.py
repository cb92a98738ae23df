"""`python -m FlightLibrary`: a process for one job."""

from FlightLibrary.worker import main

main()
