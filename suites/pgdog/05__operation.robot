*** Settings ***
Documentation    Wrong files, users without a counterpart, and changes while clients work.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:integration    system:pgdog


*** Test Cases ***
Wrong files are refused in 5 seconds by the key's name, users without a mirror counted, and RELOAD harms nobody
    [Tags]    PG-17    robot:continue-on-failure
    When Each Wrong File Is Refused By Its Key Within    5 seconds
    And A User Without A Mirror Is Counted
    ${proxy} =    And A Proxy Mirrors
    And Clients Work While It Is Reloaded    ${proxy}    good_files=3    bad_files=3
    Then Counters Should Have Gone On    ${proxy}
    And A New Exposure Should Hold After Reload    ${proxy}
