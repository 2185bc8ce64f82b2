/* Options of TCP sockets. */
#ifndef DS_RECEIVER_SOCKET_H
#define DS_RECEIVER_SOCKET_H

/* Has the system find out within two minutes that a silent peer is gone. */
void ds_socket_keep_alive(int fd);

#endif
