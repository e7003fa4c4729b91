// Tells when every task of this JVM has done what it was given.
//
// A thread that waits is no proof: it may have been woken and not yet been given a processor. But
// who hands data to a task puts a mail into its mailbox before the call returns. So a task is idle
// when its mailbox is empty, its input is suspended and its thread waits.

import java.lang.reflect.Field;
import org.apache.flink.runtime.taskmanager.Task;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.streaming.runtime.tasks.mailbox.MailboxProcessor;
import org.apache.flink.streaming.runtime.tasks.mailbox.TaskMailbox;

final class Idle {
    private static final long LIMIT_MS = 20_000;
    private static final int THREADS_MAX = 2048;
    private static final Field TARGET = field(Thread.class, "target");
    private static final Field INVOKABLE = field(Task.class, "invokable");
    private static final Field PROCESSOR = field(StreamTask.class, "mailboxProcessor");
    private static final Field MAILBOX = field(MailboxProcessor.class, "mailbox");

    private Idle() {}

    static void await() throws Exception {
        ThreadGroup top = Thread.currentThread().getThreadGroup();
        while (top.getParent() != null) {
            top = top.getParent();
        }
        Thread[] threads = new Thread[THREADS_MAX];
        long until = System.currentTimeMillis() + LIMIT_MS;
        for (int looks = 0; looks < 2; ) {
            int count = top.enumerate(threads, true);
            boolean idle = true;
            for (int i = 0; i < count && idle; i++) {
                idle = threads[i] == Thread.currentThread() || idle(threads[i]);
            }
            looks = idle ? looks + 1 : 0;
            if (System.currentTimeMillis() > until) {
                throw new IllegalStateException("the tasks did not come to rest");
            }
            if (!idle) {
                Thread.sleep(0, 200_000);
            }
        }
    }

    private static boolean idle(Thread thread) throws Exception {
        Object task = TARGET.get(thread);
        if (!(task instanceof Task)) {
            return true;
        }
        Object invokable = INVOKABLE.get(task);
        if (!(invokable instanceof StreamTask)) {
            return false; // it starts, or ends
        }
        MailboxProcessor processor = (MailboxProcessor) PROCESSOR.get(invokable);
        TaskMailbox mailbox = (TaskMailbox) MAILBOX.get(processor);
        boolean quiet = mailbox.size() == 0 && !processor.isDefaultActionAvailable();
        Thread.State state = thread.getState();
        return quiet && (state == Thread.State.WAITING || state == Thread.State.TIMED_WAITING);
    }

    private static Field field(Class<?> of, String name) {
        try {
            Field field = of.getDeclaredField(name);
            field.setAccessible(true);
            return field;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(of + " has no " + name + " any more", error);
        }
    }
}
