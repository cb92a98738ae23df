"""Keywords that break services and links on purpose, see that they are broken, and heal them."""

from FaultLibrary.in_force import InForce, faults_in_force
from FaultLibrary.keywords import FaultLibrary

__all__ = ["FaultLibrary", "InForce", "faults_in_force"]
