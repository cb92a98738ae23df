"""Keywords that break services and links on purpose, see that they are broken, and heal them."""

from FaultLibrary.keywords import FaultLibrary, InForce, faults_in_force

__all__ = ["FaultLibrary", "InForce", "faults_in_force"]
