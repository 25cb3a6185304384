#!/bin/busybox sh
# The first process of the virtual machine: runs each check, and says how it ended.
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
echo "kernel $(uname -r)"

result() {
    echo "RESULT $1 $2"
}

verify /vnetpeer.o --any-cost
result verify $?

for module in veth pktgen; do
    # Some kernels have it built in.
    [ ! -e "/modules/$module.ko" ] || insmod "/modules/$module.ko"
done
# The kernel names the other end veth0.
ip link add guest type veth
ip link set guest up
ip link set veth0 up
xtask pktgen guest --kind veth --from 10.0.0.4 --to 10.0.0.5 --packets 10000
result pktgen $?
received=$(cat /sys/class/net/veth0/statistics/rx_packets)
echo "veth0 received $received packets"
[ "$received" -ge 10000 ]
result received $?

if vnetpeer doctor --help >/dev/null 2>&1; then
    vnetpeer doctor
    # What it finds of a machine without anything is no failure; that it cannot say so would be.
    [ $? -lt 100 ]
    result doctor $?
fi
poweroff -f
