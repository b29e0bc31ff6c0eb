// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// A stand-in for NVIDIA's kernel driver, as far as its place in the driver model goes: it takes the
// display functions with NVIDIA's vendor id, gives each a /dev/nvidiaN and its directory below
// /proc/driver/nvidia/gpus, and waits in remove() until nobody has the GPU open, as the real one does.
//
// Knobs that the real one does not have: /proc/driver/nvidia/gpus/BDF/hang makes remove() wait until it is 0
// again, whoever uses the GPU; the parameter unbind_lock=0 takes the file unbindLock away.
#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#define NVIDIA_VENDOR 0x10de
#define NVIDIA_MAJOR 195
#define MAX_GPUS 32

static bool unbind_lock = true;
module_param(unbind_lock, bool, 0444);
MODULE_PARM_DESC(unbind_lock, "offer unbindLock below /proc/driver/nvidia/gpus");

struct gpu {
	struct pci_dev *pci;
	struct proc_dir_entry *directory;
	int minor;
	int users;
	bool locked;
	bool hangs;
};

// Guards the table and what is in it.
static DEFINE_MUTEX(gpus_mutex);
static struct gpu *gpus[MAX_GPUS];
static struct proc_dir_entry *nvidia_directory, *gpus_directory;
static struct class *nvidia_class;
static struct cdev nvidia_cdev;

static int nvidia_open(struct inode *inode, struct file *file)
{
	struct gpu *gpu;
	int result = 0;

	if (iminor(inode) >= MAX_GPUS)
		return -ENODEV;
	mutex_lock(&gpus_mutex);
	gpu = gpus[iminor(inode)];
	if (!gpu)
		result = -ENODEV;
	else if (gpu->locked)
		result = -EBUSY;
	else
		++gpu->users;
	mutex_unlock(&gpus_mutex);
	return result;
}

// remove() waits for the last user, so the GPU is still there.
static int nvidia_release(struct inode *inode, struct file *file)
{
	mutex_lock(&gpus_mutex);
	--gpus[iminor(inode)]->users;
	mutex_unlock(&gpus_mutex);
	return 0;
}

static const struct file_operations nvidia_operations = {
	.owner = THIS_MODULE,
	.open = nvidia_open,
	.release = nvidia_release,
};

static int information_show(struct seq_file *out, void *unused)
{
	struct gpu *gpu = out->private;

	seq_printf(out, "Model: \t\t Stand-in GPU\n");
	seq_printf(out, "Bus Location: \t %s\n", pci_name(gpu->pci));
	seq_printf(out, "Device Minor: \t %d\n", gpu->minor);
	return 0;
}

static int lock_show(struct seq_file *out, void *unused)
{
	struct gpu *gpu = out->private;

	seq_printf(out, "%d\n", gpu->locked);
	return 0;
}

static int lock_open(struct inode *inode, struct file *file)
{
	return single_open(file, lock_show, pde_data(inode));
}

// Taken only while nobody has the GPU open; a refusal shows in the next read only.
static ssize_t lock_write(struct file *file, const char __user *text, size_t size, loff_t *offset)
{
	struct gpu *gpu = pde_data(file_inode(file));
	bool wanted;
	int error = kstrtobool_from_user(text, size, &wanted);

	if (error)
		return error;
	mutex_lock(&gpus_mutex);
	if (!wanted || gpu->users == 0)
		gpu->locked = wanted;
	mutex_unlock(&gpus_mutex);
	return size;
}

static const struct proc_ops lock_operations = {
	.proc_open = lock_open,
	.proc_read = seq_read,
	.proc_write = lock_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int hang_show(struct seq_file *out, void *unused)
{
	struct gpu *gpu = out->private;

	seq_printf(out, "%d\n", gpu->hangs);
	return 0;
}

static int hang_open(struct inode *inode, struct file *file)
{
	return single_open(file, hang_show, pde_data(inode));
}

static ssize_t hang_write(struct file *file, const char __user *text, size_t size, loff_t *offset)
{
	struct gpu *gpu = pde_data(file_inode(file));
	bool wanted;
	int error = kstrtobool_from_user(text, size, &wanted);

	if (error)
		return error;
	mutex_lock(&gpus_mutex);
	gpu->hangs = wanted;
	mutex_unlock(&gpus_mutex);
	return size;
}

static const struct proc_ops hang_operations = {
	.proc_open = hang_open,
	.proc_read = seq_read,
	.proc_write = hang_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int take_minor(struct gpu *gpu)
{
	int minor, result = -ENOSPC;

	mutex_lock(&gpus_mutex);
	for (minor = 0; minor < MAX_GPUS && result < 0; ++minor) {
		if (gpus[minor])
			continue;
		gpus[minor] = gpu;
		result = minor;
	}
	mutex_unlock(&gpus_mutex);
	return result;
}

static void give_minor_back(struct gpu *gpu)
{
	mutex_lock(&gpus_mutex);
	gpus[gpu->minor] = NULL;
	mutex_unlock(&gpus_mutex);
}

static int nvidia_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct gpu *gpu = kzalloc(sizeof(*gpu), GFP_KERNEL);
	int error;

	if (!gpu)
		return -ENOMEM;
	gpu->pci = pci;
	error = gpu->minor = take_minor(gpu);
	if (error < 0)
		goto no_minor;
	error = pci_enable_device(pci);
	if (error)
		goto not_enabled;
	gpu->directory = proc_mkdir(pci_name(pci), gpus_directory);
	proc_create_single_data("information", 0444, gpu->directory, information_show, gpu);
	if (unbind_lock)
		proc_create_data("unbindLock", 0644, gpu->directory, &lock_operations, gpu);
	proc_create_data("hang", 0644, gpu->directory, &hang_operations, gpu);
	device_create(nvidia_class, &pci->dev, MKDEV(NVIDIA_MAJOR, gpu->minor), gpu, "nvidia%d", gpu->minor);
	pci_set_drvdata(pci, gpu);
	return 0;

not_enabled:
	give_minor_back(gpu);
no_minor:
	kfree(gpu);
	return error;
}

static bool is_busy(struct gpu *gpu)
{
	bool busy;

	mutex_lock(&gpus_mutex);
	busy = gpu->users > 0 || gpu->hangs;
	mutex_unlock(&gpus_mutex);
	return busy;
}

static void nvidia_remove(struct pci_dev *pci)
{
	struct gpu *gpu = pci_get_drvdata(pci);

	if (is_busy(gpu))
		pci_warn(pci, "remove() waits: the GPU is in use\n");
	while (is_busy(gpu))
		msleep(50);
	device_destroy(nvidia_class, MKDEV(NVIDIA_MAJOR, gpu->minor));
	proc_remove(gpu->directory);
	pci_disable_device(pci);
	give_minor_back(gpu);
	kfree(gpu);
}

static const struct pci_device_id nvidia_ids[] = {
	{ PCI_DEVICE(NVIDIA_VENDOR, PCI_ANY_ID), .class = PCI_BASE_CLASS_DISPLAY << 16, .class_mask = 0xff0000 },
	{ }
};
MODULE_DEVICE_TABLE(pci, nvidia_ids);

static struct pci_driver nvidia_driver = {
	.name = "nvidia",
	.id_table = nvidia_ids,
	.probe = nvidia_probe,
	.remove = nvidia_remove,
};

static int __init nvidia_init(void)
{
	int error = register_chrdev_region(MKDEV(NVIDIA_MAJOR, 0), MAX_GPUS, "nvidia");

	if (error)
		return error;
	cdev_init(&nvidia_cdev, &nvidia_operations);
	error = cdev_add(&nvidia_cdev, MKDEV(NVIDIA_MAJOR, 0), MAX_GPUS);
	if (error)
		goto no_cdev;
	nvidia_class = class_create(THIS_MODULE, "nvidia");
	if (IS_ERR(nvidia_class)) {
		error = PTR_ERR(nvidia_class);
		goto no_class;
	}
	nvidia_directory = proc_mkdir("driver/nvidia", NULL);
	gpus_directory = proc_mkdir("gpus", nvidia_directory);
	error = pci_register_driver(&nvidia_driver);
	if (!error)
		return 0;
	proc_remove(nvidia_directory);
	class_destroy(nvidia_class);
no_class:
	cdev_del(&nvidia_cdev);
no_cdev:
	unregister_chrdev_region(MKDEV(NVIDIA_MAJOR, 0), MAX_GPUS);
	return error;
}

static void __exit nvidia_exit(void)
{
	pci_unregister_driver(&nvidia_driver);
	proc_remove(nvidia_directory);
	class_destroy(nvidia_class);
	cdev_del(&nvidia_cdev);
	unregister_chrdev_region(MKDEV(NVIDIA_MAJOR, 0), MAX_GPUS);
}

module_init(nvidia_init);
module_exit(nvidia_exit);
MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("gpuplan lab: stand-in for the nvidia driver");
