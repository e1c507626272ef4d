# Man pages and completions, made by the binary itself; the component `service` and the .deb of it all.
# Included by CMakeLists.txt; tools/packaging/build makes the package.

set(generated_texts
  "man|hopgate.1|${CMAKE_INSTALL_MANDIR}/man1|hopgate.1"
  "man-conf|hopgate.conf.5|${CMAKE_INSTALL_MANDIR}/man5|hopgate.conf.5"
  "man-entities|hopgate-entities.5|${CMAKE_INSTALL_MANDIR}/man5|hopgate-entities.5"
  "bash|hopgate.bash|${CMAKE_INSTALL_DATADIR}/bash-completion/completions|hopgate"
  "zsh|hopgate.zsh|${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions|_hopgate"
  "fish|hopgate.fish|${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d|hopgate.fish")
set(texts)
foreach(row ${generated_texts})
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 kind)
  list(GET row 1 file)
  list(GET row 2 folder)
  list(GET row 3 name)
  set(text ${CMAKE_BINARY_DIR}/generated/${file})
  add_custom_command(OUTPUT ${text} COMMAND hopgate generate ${kind} > ${text} DEPENDS hopgate VERBATIM)
  install(FILES ${text} DESTINATION ${folder} RENAME ${name})
  list(APPEND texts ${text})
endforeach()
add_custom_target(texts ALL DEPENDS ${texts})

# Absolute paths: never touched by a plain `cmake --install`, which may have any prefix.
set(packaging ${CMAKE_SOURCE_DIR}/tools/packaging)
install(FILES ${packaging}/kong.conf ${packaging}/hopgate.yaml DESTINATION /etc/hopgate
        COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${packaging}/hopgate.logrotate DESTINATION /etc/logrotate.d RENAME hopgate
        COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${packaging}/hopgate.service DESTINATION /lib/systemd/system
        COMPONENT service EXCLUDE_FROM_ALL)

install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION /usr/share/doc/hopgate RENAME copyright
        COMPONENT service EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME hopgate)
set(CPACK_PACKAGE_CONTACT "hopgate maintainers <maintainers@hopgate.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "TLS-terminating edge proxy and load balancer")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Every hop of the path that enterprises run, from the front door to the
last load balancer, configured with Kong's files. Explains which hop made
a 502 or 504, and why.")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.52)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, logrotate")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/debian/conffiles ${packaging}/debian/postinst
    ${packaging}/debian/prerm ${packaging}/debian/postrm)
# One package of all components.
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL Unspecified service)
include(CPack)
