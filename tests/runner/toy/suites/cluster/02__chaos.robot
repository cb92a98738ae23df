*** Settings ***
Documentation       Toy criteria of the chaos phase.

Library             ${CURDIR}/../../toylibrary.py
Test Tags           phase:chaos    system:cluster


*** Test Cases ***
No acknowledged write is lost
    [Tags]    HA-10
    Given a toy system
    When nothing happens
    Then it fails with "lost 14 of 120 acknowledged writes (first: 88)"

Writes stop for at most 10 seconds
    [Tags]    HA-11
    Given a toy system
    When nothing happens
    Then it fails with "INCONCLUSIVE: 3 acknowledged writes before the fault, at least 50 needed"

A fault is seen on the console
    [Tags]    HA-12
    Given a toy system
    When the fault "leader killed" is in force for ${HOLD} seconds
    Then all is well

What comes last runs too
    [Tags]    HA-13
    Given a toy system
    When nothing happens
    Then all is well
